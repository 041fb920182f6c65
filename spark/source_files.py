"""Reads the rows to score from Parquet files: checks them, then runs the problem's row query."""

from collections.abc import Iterator
from functools import reduce

import sqlglot
from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from db.readers import SourceError, columns_in_file, find_column_errors
from db.staging import FileReport
from db.table_specs import (
    Source,
    describe_type,
    missing_reference_reason,
    referenced_columns,
    repeated_key_reason,
)
from problems import Problem
from spark.errors import root_cause, translate_spark_errors
from spark.filesystem import HadoopFolder
from spark.row_checks import FILE, LOCATION_COLUMNS, REASON, ROW, ROW_VALUES, RowChecker
from spark.source_database import sql_text

ENDINGS = (".parquet.gzip", ".parquet", "")  # the empty one is for a folder written by Spark
SPARK_TYPES: dict[str, T.DataType] = {
    "a number": T.DoubleType(),
    "a whole number": T.LongType(),
    "text": T.StringType(),
    "a timestamp": T.TimestampNTZType(),
}


class SourceFiles:
    """A folder with the source files of a problem in Parquet, checked by the rules of ingest.py."""

    def __init__(
        self, spark: SparkSession, problem: Problem, folder: str, max_rejected: float
    ) -> None:
        """Raises SourceError: a file is missing, damaged, or has the wrong columns."""
        self._spark, self._problem, self._max_rejected = spark, problem, max_rejected
        self.folder = HadoopFolder(spark, folder)
        sources = [s for s in problem.sources if s.table in problem.scoring.tables]
        self._names = {source: self._file_name(source) for source in sources}
        self._tables = {source: self._read(source, name) for source, name in self._names.items()}
        self._reports: dict[Source, FileReport] = {}

    def __str__(self) -> str:
        return self.folder.root

    @property
    def reports(self) -> list[FileReport]:
        """The counts of each file's rows."""
        return list(self._reports.values())

    def check(self) -> None:
        """Check every row. Raises SourceError: too many rows are rejected."""
        for source in self._tables:
            self._reports[source] = self._report(source)

    def select_rows(self) -> DataFrame:
        """The result of the row query on the rows that passed the checks."""
        for source in self._tables:
            self._good_rows(source).createOrReplaceTempView(source.table.name)
        query = sql_text(self._problem.scoring.rows)
        rows = self._spark.sql(sqlglot.transpile(query, read="postgres", write="spark")[0])
        return rows.withColumn("load_id", F.lit(None).cast(T.LongType()))

    def close(self) -> None:
        """Release the cached rows: a session that lives on would reuse them for changed files."""
        for table in self._tables.values():
            table.unpersist()

    def is_unchanged(self) -> bool:
        """True, because the files are read only once."""
        return True

    def rejected_rows(self, selected: int) -> DataFrame | None:
        """The rejected rows with their reasons, or None; `selected` is the number of rows selected.

        Raises:
            SourceError: together with the rows that have no parent, too many are rejected.
        """
        rejected = [
            _rejected_columns(source, table.where(F.col(REASON).isNotNull()))
            for source, table in self._tables.items()
            if self._reports[source].rejected
        ]
        key_table = self._problem.scoring.key.table
        (report,) = (r for source, r in self._reports.items() if source.table is key_table)
        if selected < report.rows - report.rejected.total():  # the joins have dropped some
            for source in self._tables:
                rejected += self._orphans(source)
                self._reports[source].raise_if_too_many_rejected(self._max_rejected, "scored")
        return reduce(DataFrame.unionByName, rejected) if rejected else None

    def _file_name(self, source: Source) -> str:
        names = [f"{source.file}{ending}" for ending in ENDINGS]
        existing = [name for name in names if self.folder.exists(name)]
        if len(existing) == 1:
            return existing[0]
        if existing:
            raise SourceError(
                f"{self.folder.root} holds {' and '.join(existing)}: keep only the one to score."
            )
        raise SourceError(
            f"{self.folder.root} lacks {source.file} as {', '.join(ENDINGS[:2])} or a folder of "
            "Parquet files: give such a folder with --source, or load CSV files into a database "
            "with ingest.py."
        )

    def _read(self, source: Source, name: str) -> DataFrame:
        """The checked rows of a file with the types of its table, cached on disk."""
        try:
            rows = self._spark.read.parquet(self.folder.path(name))
        except (AnalysisException, Py4JJavaError) as error:
            raise SourceError(
                f"{name} is not a complete Parquet file ({root_cause(error)}), so nothing was "
                "scored: fetch the file again."
            ) from error
        known = {column.name for column in source.columns}
        schema = to_arrow_schema(T.StructType([f for f in rows.schema if f.name in known]))
        if faults := find_column_errors(source, name, schema, is_text=False):
            raise SourceError(f"Nothing in {self.folder.root} was scored: {'; '.join(faults)}.")
        columns, key = columns_in_file(source, rows.columns), source.content_key
        key_name, content = ("", ()) if key is None else (key.name, key.info["content_of"])
        checker = RowChecker(columns, key_name, content)
        types = {c.name: SPARK_TYPES[describe_type(c)] for c in columns} | {ROW: T.LongType()}
        output = [(name, types.get(name, T.StringType())) for name in checker.output_columns]
        schema_checked = T.StructType([T.StructField(*field) for field in output])
        file, row = F.col("_metadata.file_path"), F.col("_metadata.row_index") + 1
        rows = rows.select(*(c.name for c in columns), file.alias(FILE), row.alias(ROW))
        rows = rows.mapInArrow(checker, schema_checked)
        return self._check_keys(source, rows).persist(StorageLevel.DISK_ONLY)

    def _check_keys(self, source: Source, rows: DataFrame) -> DataFrame:
        """Reject rows with repeated keys, or number them if the key is made of the content."""
        keys = [key.name for key in source.table.primary_key]
        nth = F.row_number().over(Window.partitionBy(*keys, REASON).orderBy(*LOCATION_COLUMNS))
        rows = rows.withColumn("_nth", nth)
        is_repeated = F.col(REASON).isNull() & (F.col("_nth") > 1)
        if source.content_key is not None:
            (key,) = keys
            changed = {key: F.concat(key, F.lit("-"), F.col("_nth").cast("string"))}
        else:
            reason = F.lit(repeated_key_reason(source.table))
            changed = {ROW_VALUES: _row_values(source, rows), REASON: reason}
        for name, value in changed.items():
            changed[name] = F.when(is_repeated, value).otherwise(F.col(name))
        return rows.withColumns(changed).drop("_nth")

    def _report(self, source: Source) -> FileReport:
        report = FileReport(self._names[source])
        with translate_spark_errors():
            for reason, row_count in self._tables[source].groupBy(REASON).count().collect():
                report.rows += row_count
                if reason:
                    report.rejected[reason] += row_count
        report.raise_if_too_many_rejected(self._max_rejected, "scored")
        return report

    def _good_rows(self, source: Source) -> DataFrame:
        return self._tables[source].where(F.col(REASON).isNull()).drop(REASON, ROW_VALUES)

    def _orphans(self, source: Source) -> Iterator[DataFrame]:
        """Rejected rows that refer to a row which does not exist; they are added to the report."""
        by_table = {other.table: other for other in self._tables}
        for child, parent in referenced_columns(source.table).items():
            if parent.table not in by_table:
                continue
            parents = self._good_rows(by_table[parent.table])
            parent_keys = parents.select(F.col(parent.name).alias(child.name))
            rows = self._good_rows(source).where(F.col(child.name).isNotNull())
            orphans = rows.join(parent_keys, child.name, "left_anti")
            reason = missing_reference_reason(child, parent)
            with translate_spark_errors():
                self._reports[source].rejected[reason] += orphans.count()
            row_values = _row_values(source, orphans)
            orphans = orphans.withColumns({REASON: F.lit(reason), ROW_VALUES: row_values})
            yield _rejected_columns(source, orphans)


def _rejected_columns(source: Source, rows: DataFrame) -> DataFrame:
    """Rejected rows with the columns of the table of rejected rows."""
    return rows.select(
        F.lit(source.table.name).alias("table_name"),
        F.col(FILE).alias("file"),
        F.col(ROW).alias("row_number"),
        F.col(REASON).alias("reason"),
        F.col(ROW_VALUES).alias("row_values"),
    )


def _row_values(source: Source, rows: DataFrame) -> Column:
    names = [column.name for column in source.columns if column.name in rows.columns]
    return F.to_json(F.struct(*names), {"ignoreNullFields": "false"})
