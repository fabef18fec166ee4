"""Where Piccolo's commands find the engine and the app; nothing else imports this."""

from piccolo.conf.apps import AppRegistry

from domain.db import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["domain.piccolo_app"])
