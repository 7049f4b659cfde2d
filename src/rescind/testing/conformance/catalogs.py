"""The catalogue: what tables are there and what they hold, without Rescind's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rescind.domain.schema import Type
from rescind.errors import UnknownColumn, UnknownTable
from rescind.targets.target import Catalog
from rescind.testing.conformance.scene import ITEMS, Scene, Suite

HIDDEN = "rescind_marker"
NOT_TABLES = (HIDDEN, "RESCIND_MARKER", "rescind_", "nowhere", "", 'items"; drop table items--', "items;", "Items\x00")


class Catalogs(Suite):
    """Reads outside any task."""

    def test_only_the_users_tables_are_named(self, empty: Scene) -> None:
        assert empty.fresh().catalog().tables() == []
        empty.make(ITEMS)
        assert empty.fresh().catalog().tables() == [ITEMS.name]

    def test_a_table_is_described(self, scene: Scene) -> None:
        table = scene.fresh().catalog().table(ITEMS.name)
        assert table.name == ITEMS.name
        described = [(column.name, column.type, column.generated) for column in table.columns]
        assert described == [("id", Type.integer, False), ("name", Type.text, False)]
        assert table.columns[1].nullable
        assert [column.name for column in table.key] == ["id"]

    @pytest.mark.parametrize("name", NOT_TABLES)
    def test_what_is_no_users_table_is_unknown(self, scene: Scene, name: str) -> None:
        catalog = scene.fresh().catalog()
        with pytest.raises(UnknownTable):
            catalog.table(name)
        with pytest.raises(UnknownTable):
            catalog.count(name)
        with pytest.raises(UnknownTable):
            _read(catalog, name)
        assert scene.count() == 0

    def test_rows_come_in_the_keys_order(self, scene: Scene) -> None:
        scene.written(3, 1, 2).commit()
        assert [row[0] for row in scene.values(ITEMS.name)] == [1, 2, 3]

    def test_rows_can_be_paged_by_key(self, scene: Scene) -> None:
        scene.written(*range(1, 8)).commit()
        seen: list[int] = []
        while page := scene.values(ITEMS.name, limit=3, after=seen[-1:] or None):
            assert len(page) <= 3
            seen += [row[0] for row in page]
        assert seen == list(range(1, 8))

    def test_columns_come_as_they_are_asked_for(self, scene: Scene) -> None:
        scene.written(3, 1, 2).commit()
        whole = scene.values(ITEMS.name)
        assert scene.values(ITEMS.name, columns=["name", "id"]) == [row[::-1] for row in whole]
        assert scene.values(ITEMS.name, columns=["name"], limit=2, after=[1]) == [row[1:] for row in whole[1:]]

    def test_a_column_that_is_not_there_is_unknown(self, scene: Scene) -> None:
        with pytest.raises(UnknownColumn, match="'nowhere'"):
            scene.values(ITEMS.name, columns=["id", "nowhere"])

    def test_a_read_tells_how_it_is_cancelled_and_that_does_no_harm_afterwards(self, scene: Scene) -> None:
        scene.written(1).commit()
        cancels: list[Callable[[], None]] = []
        with scene.fresh().catalog().rows(ITEMS.name, cancellable=cancels.append) as batches:
            assert sum(batch.num_rows for batch in batches) == 1
        (cancel,) = cancels
        cancel()
        assert scene.count() == 1

    def test_an_empty_table_has_no_rows(self, scene: Scene) -> None:
        assert scene.values(ITEMS.name) == []
        assert scene.count() == 0

    def test_rows_are_of_one_snapshot(self, scene: Scene) -> None:
        scene.written(*range(3_000)).commit()
        with scene.fresh().catalog().rows(ITEMS.name) as batches:
            first = next(batches).num_rows
            scene.written(5_000).commit()
            rest = sum(batch.num_rows for batch in batches)
        assert first + rest == 3_000

    def test_the_card_gives_a_reason_for_every_grade(self, scene: Scene) -> None:
        card = scene.fresh().capabilities().document()
        assert card.pop("database")
        card.pop("warnings")
        card.pop("longest_name")
        assert {name for name, ability in card.items() if not ability["reason"]} == set()


def _read(catalog: Catalog, name: str) -> None:
    with catalog.rows(name) as batches:
        list(batches)
