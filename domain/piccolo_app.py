"""Potluck as one Piccolo app: its tables and where its migrations are."""

from pathlib import Path

from piccolo.conf.apps import AppConfig, table_finder

APP_CONFIG = AppConfig(
    app_name="potluck",
    migrations_folder_path=str(Path(__file__).parent.parent / "migrations"),
    table_classes=table_finder(
        [
            "domain.accounts.tables",
            "domain.sessions.tables",
            "domain.graph.tables",
            "domain.mentions.tables",
            "domain.posts.tables",
            "domain.comments.tables",
            "domain.reactions.tables",
            "domain.places.tables",
            "domain.dishes.tables",
            "domain.reckoning.tables",
            "domain.rankings.tables",
            "domain.leaderboards.tables",
            "domain.progression.tables",
            "domain.reviews.tables",
            "domain.counters.tables",
            "domain.notifications.tables",
            "domain.acts.tables",
            "domain.experts.tables",
            "domain.trending.tables",
        ]
    ),
)
