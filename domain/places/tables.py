"""What is stored of restaurants, and of the cities they are in."""

from piccolo.columns import JSONB, UUID, Array, DoublePrecision, ForeignKey, SmallInt, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB


class Cities(Table, tablename="cities", db=DB):
    """A city by its slug, made when it is first named. `key` and `country` are its names as they are compared."""

    slug = Text(primary_key=True)
    key = Text()
    country = Text()
    name = Text()


class Restaurants(Table, tablename="restaurants", db=DB):
    """A restaurant. `search_name` and the keys are its names as they are compared; its adder may be gone."""

    id = UUID(primary_key=True)
    added_by = ForeignKey(Users, null=True)
    name = Varchar(length=255)
    search_name = Text()
    address = Text(null=True)
    city = Varchar(length=100, null=True)
    state = Varchar(length=100, null=True)
    country = Varchar(length=100, null=True)
    postal_code = Varchar(length=20, null=True)
    city_key = Text()
    state_key = Text()
    country_key = Text()
    city_slug = ForeignKey(Cities, null=True)
    latitude = DoublePrecision(null=True)
    longitude = DoublePrecision(null=True)
    phone = Varchar(length=30, null=True)
    website = Text(null=True)
    hours = JSONB(null=True)
    cuisine_type = Array(base_column=Text())
    price_range = SmallInt(null=True)
    photos = Array(base_column=Text())
    created_at = Timestamptz()
    updated_at = Timestamptz()


class RestaurantEdits(Table, tablename="restaurant_edits", db=DB):
    """What somebody changed of a restaurant."""

    id = UUID(primary_key=True)
    restaurant_id = ForeignKey(Restaurants, null=False)
    editor_id = ForeignKey(Users, null=True)
    changes = JSONB()
    created_at = Timestamptz()
