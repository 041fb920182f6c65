"""What runs in the executors: the checks of a source's rows. Light: it loads no MLflow."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Column

from db.table_specs import ROW_NUMBER
from db.validation import check_batch, content_keys

# columns of ours beside a problem's, whose names they do not take
LOCATION_COLUMNS = FILE, ROW = "_file", "_row"  # where a source's row lies
REJECTION_COLUMNS = REASON, ROW_VALUES = (
    "_reason",
    "_row_values",
)  # why it is set aside, and what it holds

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class RowChecker:
    """Brings batches of a source file into the types of its table, as ingest.py does.

    A row that ingest.py would set aside has its reason and values, and nulls for the rest.
    """

    columns: Sequence[Column]
    key: str  # made of the content of these columns, or ""
    content: Sequence[str]

    @property
    def output_columns(self) -> list[str]:
        """The columns of what it makes, in order."""
        keys = [self.key] if self.key else []
        return [
            *keys,
            *(column.name for column in self.columns),
            *REJECTION_COLUMNS,
            *LOCATION_COLUMNS,
        ]

    def __call__(self, batches: Batches) -> Batches:
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            numbers = pa.array(range(len(rows)), pa.int64())
            bare = rows.drop_columns(list(LOCATION_COLUMNS)).append_column(ROW_NUMBER, numbers)
            good, rejected = check_batch(bare, self.columns)
            if self.key:
                good = good.append_column(self.key, content_keys(good, self.content))
            bad = pa.table(
                {
                    ROW_NUMBER: pa.array([r.row_number for r in rejected], pa.int64()),
                    REASON: pa.array([r.reason for r in rejected], pa.string()),
                    ROW_VALUES: pa.array([json.dumps(r.values) for r in rejected], pa.string()),
                }
            )
            found = pa.concat_tables([good, bad], promote_options="default")
            places = rows.select(list(LOCATION_COLUMNS)).take(found[ROW_NUMBER])
            for name in LOCATION_COLUMNS:
                found = found.append_column(name, places[name])
            yield from found.select(self.output_columns).to_batches()
