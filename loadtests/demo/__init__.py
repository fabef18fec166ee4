"""`./run demo`: the 77 people of Les Misérables live on a Potluck of their own, and every number is checked."""
