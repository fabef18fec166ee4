"""What is stored of dishes."""

from piccolo.columns import JSONB, UUID, Array, Boolean, ForeignKey, Numeric, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB
from domain.places.tables import Restaurants


class DishTypes(Table, tablename="dish_types", db=DB):
    """A type of dish: data that migrations bring."""

    slug = Varchar(length=100, primary_key=True)
    name = Varchar(length=100)


class Dishes(Table, tablename="dishes", db=DB):
    """A dish of a restaurant."""

    id = UUID(primary_key=True)
    restaurant_id = ForeignKey(Restaurants, null=False)
    added_by = ForeignKey(Users, null=True)
    name = Varchar(length=255)
    description = Text(null=True)
    price = Numeric(digits=(10, 2), null=True)
    currency = Varchar(length=3, null=True)
    image_url = Text(null=True)
    dish_type = ForeignKey(DishTypes, null=False)
    tags = Array(base_column=Text())
    is_seasonal = Boolean(default=False)
    is_available = Boolean(default=True)
    created_at = Timestamptz()
    updated_at = Timestamptz()


class DishEdits(Table, tablename="dish_edits", db=DB):
    """What somebody changed of a dish."""

    id = UUID(primary_key=True)
    dish_id = ForeignKey(Dishes, null=False)
    editor_id = ForeignKey(Users, null=True)
    changes = JSONB()
    created_at = Timestamptz()
