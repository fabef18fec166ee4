"""What is stored of progression: the catalogues, and who has what. No foreign keys to people: what they earned goes
when their departure is folded."""

from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    ForeignKey,
    Integer,
    Numeric,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.table import Table

from domain.db import DB


class Activities(Table, tablename="activities", db=DB):
    """What earns points, and how many; `daily_points` is the most that it earns in a day of UTC."""

    activity = Varchar(length=50, primary_key=True)
    points = Integer()
    daily_points = Integer(null=True)
    description = Text()


class ActivityPoints(Table, tablename="activity_points", db=DB):
    """What an act earned. `within_id` is what it is gone with, beside its own reference: a comment with its post."""

    user_id = UUID(primary_key=True)
    activity = ForeignKey(Activities, null=False)
    reference_id = UUID()
    within_id = UUID(null=True)
    points = Integer()
    awarded_at = Timestamptz()


class Badges(Table, tablename="badges", db=DB):
    """What can be earned: `requirements` names one measure, and how much of it."""

    code = Varchar(length=50, primary_key=True)
    name = Varchar(length=100)
    description = Text()
    category = Varchar(length=50)
    requirements = JSONB()
    icon_url = Varchar(length=255, null=True)


class CareerLevels(Table, tablename="career_levels", db=DB):
    """The seven levels. `weight` is that of a reviewer's rankings; without a level it is 1."""

    level = SmallInt(primary_key=True)
    code = Varchar(length=50)
    name = Varchar(length=100)
    description = Text()
    required_points = Integer()
    required_rankings = Integer()
    icon_url = Varchar(length=255, null=True)
    benefits = Array(base_column=Text())
    weight = Numeric(digits=(4, 2))


class CareerLevelBadges(Table, tablename="career_level_badges", db=DB):
    """Which badges a level requires."""

    level = ForeignKey(CareerLevels, primary_key=True)
    badge = ForeignKey(Badges, null=False)


class UserBadges(Table, tablename="user_badges", db=DB):
    """Who has which badge. `progress` is how far they were when they got it."""

    user_id = UUID(primary_key=True)
    badge = ForeignKey(Badges, null=False)
    awarded_at = Timestamptz()
    progress = JSONB()
    is_featured = Boolean()


class UserProgress(Table, tablename="user_progress", db=DB):
    """Somebody's points, how many dishes they ranked, and their level; a missing row is all zeros."""

    user_id = UUID(primary_key=True)
    points = BigInt()
    rankings = Integer()
    level = SmallInt()


class ToldAwards(Table, tablename="told_awards", db=DB):
    """When somebody was last told of a badge or a level."""

    user_id = UUID(primary_key=True)
    award = Varchar(length=60)
    told_at = Timestamptz()
