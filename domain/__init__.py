"""What Potluck knows: one flat package per feature, and the few things every feature needs."""
