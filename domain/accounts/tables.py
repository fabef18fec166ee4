"""What is stored of people."""

from piccolo.columns import JSONB, UUID, Boolean, ForeignKey, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.db import DB


class Users(Table, tablename="users", db=DB):
    """A person, as far as every list of people shows them."""

    id = UUID(primary_key=True)
    username = Varchar(length=50)
    display_name = Varchar(length=100, null=True)
    avatar_url = Text(null=True)
    role = Varchar(length=20)
    privacy_level = Varchar(length=20)
    is_active = Boolean(default=True)
    created_at = Timestamptz()
    updated_at = Timestamptz()


class Profiles(Table, tablename="profiles", db=DB):
    """What users say of themselves, and what they prefer."""

    user_id = ForeignKey(Users, primary_key=True)
    bio = Text(null=True)
    city = Varchar(length=100, null=True)
    location = JSONB(null=True)
    institutions = JSONB(default="[]")
    websites = JSONB(default="[]")
    preferences = JSONB(default="{}")
