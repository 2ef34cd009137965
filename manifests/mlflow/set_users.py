"""Make the users of MLflow what the Secrets say: the administrator, and the user that palm's tasks log in as.

Works on the database, so it needs neither a running server nor the passwords of before: it makes the users after an
installation, and gives them new passwords after a change of the Secrets. Other users are left alone.
"""

import os

from mlflow.server.auth.config import read_auth_config
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore


def set_user(store: SqlAlchemyStore, name: str, password: str, *, is_admin: bool) -> str:
    """Create a user, or set its password and rights.

    Args:
        store: of the users, connected.
        name: of the user.
        password: at least 12 characters.
        is_admin: whether it may do everything.

    Returns:
        What was done, in one line.
    """
    if store.has_user(name):
        store.update_user(name, password=password, is_admin=is_admin)
        return f"user {name}: password set"
    store.create_user(name, password, is_admin=is_admin)
    return f"user {name}: created"


def main() -> None:
    """Set both users from the environment."""
    settings = read_auth_config()
    admin, tasks = settings.admin_username, os.environ["MLFLOW_TRACKING_USERNAME"]
    if tasks == admin:
        raise SystemExit(
            f"error: MLFLOW_TRACKING_USERNAME={tasks}: is the administrator; give palm's tasks another user"
        )
    store = SqlAlchemyStore()
    store.init_db(settings.database_uri)
    print(set_user(store, admin, settings.admin_password, is_admin=True))
    print(set_user(store, tasks, os.environ["MLFLOW_TRACKING_PASSWORD"], is_admin=False))


if __name__ == "__main__":
    main()
