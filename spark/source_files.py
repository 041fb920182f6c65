"""The rows to score, from Parquet files: checked, and joined by the problem's own row select."""

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
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql

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
from spark.filesystem import HadoopFolder
from spark.row_checks import FILE, LOCATION_COLUMNS, REASON, ROW, ROW_VALUES, RowChecker
from spark.session import root_cause, translate_spark_errors

ENDINGS = (".parquet.gzip", ".parquet", "")  # the last: a folder of parts, as Spark writes one
SPARK_TYPES: dict[str, T.DataType] = {
    "a number": T.DoubleType(),
    "a whole number": T.LongType(),
    "text": T.StringType(),
    "a timestamp": T.TimestampNTZType(),
}


class SourceFiles:
    """A folder of a problem's source files in Parquet, checked as ingest.py checks them."""

    def __init__(
        self, spark: SparkSession, problem: Problem, folder: str, max_rejected: float
    ) -> None:
        """Raises SourceError: files are missing or unfit."""
        self._spark, self._problem, self._max_rejected = spark, problem, max_rejected
        self.folder = HadoopFolder(spark, folder)
        sources = [s for s in problem.sources if s.table in problem.scoring.tables]
        self._names = {source: self._name(source) for source in sources}
        self._tables = {source: self._checked(source, name) for source, name in self._names.items()}
        self._reports: dict[Source, FileReport] = {}

    def __str__(self) -> str:
        return self.folder.root

    @property
    def reports(self) -> list[FileReport]:
        """What became of each file's rows."""
        return list(self._reports.values())

    def check(self) -> None:
        """Check every row. Raises SourceError: too many are bad."""
        for source in self._tables:
            self._reports[source] = self._report(source)

    def select_rows(self) -> DataFrame:
        """What the row select makes of the good rows."""
        for source in self._tables:
            self._good(source).createOrReplaceTempView(source.table.name)
        rows = self._spark.sql(_spark_sql(self._problem.scoring.rows))
        return rows.withColumn("load_id", F.lit(None).cast(T.LongType()))

    def close(self) -> None:
        """Forget what was read: a session that lives on would take it for what is there then."""
        for table in self._tables.values():
            table.unpersist()

    def is_unchanged(self) -> bool:
        """Has nothing come between the parts of the select."""
        return True  # the files were read once

    def rejected_rows(self, selected: int) -> DataFrame | None:
        """The bad rows with their reasons, or None; `selected` is what the row select found.

        Raises:
            SourceError: with those whose parent is missing, they are too many.
        """
        faulty = [self._faulty(s) for s, report in self._reports.items() if report.rejected]
        (of_key,) = (
            r for s, r in self._reports.items() if s.table is self._problem.scoring.key.table
        )
        if selected < of_key.rows - of_key.rejected.total():  # some were lost on the way
            for source in self._tables:
                faulty += self._orphans(source)
                self._reports[source].raise_if_too_many_rejected(self._max_rejected, "scored")
        return reduce(DataFrame.unionByName, faulty) if faulty else None

    def _name(self, source: Source) -> str:
        found = [f"{source.file}{e}" for e in ENDINGS if self.folder.exists(f"{source.file}{e}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise SourceError(
                f"{self.folder.root} holds {' and '.join(found)}: keep the one to be scored."
            )
        raise SourceError(
            f"{self.folder.root} lacks {source.file} as {', '.join(ENDINGS[:2])} or a folder of "
            "Parquet files: give such a folder with --source; CSV goes by ingest.py to a database."
        )

    def _checked(self, source: Source, name: str) -> DataFrame:
        """The rows of a table with its types, the bad ones with their reasons; kept on disk."""
        try:
            found = self._spark.read.parquet(self.folder.path(name))
        except (AnalysisException, Py4JJavaError) as error:
            raise SourceError(
                f"{name} is no whole Parquet file ({root_cause(error)}): nothing was scored; fetch "
                "the file again."
            ) from error
        ours = {column.name for column in source.columns}
        schema = to_arrow_schema(T.StructType([f for f in found.schema if f.name in ours]))
        if faults := find_column_errors(source, name, schema, is_text=False):
            raise SourceError(f"Nothing was scored of {self.folder.root}: {'; '.join(faults)}.")
        columns, key = columns_in_file(source, found.columns), source.content_key
        check = RowChecker(
            columns, *(("", ()) if key is None else (key.name, key.info["content_of"]))
        )
        place = (
            F.col("_metadata.file_path").alias(FILE),
            (F.col("_metadata.row_index") + 1).alias(ROW),
        )
        typed = {c.name: SPARK_TYPES[describe_type(c)] for c in columns} | {ROW: T.LongType()}
        made = T.StructType(
            [T.StructField(name, typed.get(name, T.StringType())) for name in check.output_columns]
        )
        rows = found.select(*(c.name for c in columns), *place).mapInArrow(check, made)
        return self._with_keys(source, rows).persist(StorageLevel.DISK_ONLY)

    def _with_keys(self, source: Source, rows: DataFrame) -> DataFrame:
        """Repeated keys are found; of keys made of the content they are told apart."""
        keys = [key.name for key in source.table.primary_key]
        nth = F.row_number().over(Window.partitionBy(*keys, REASON).orderBy(*LOCATION_COLUMNS))
        good, later = F.col(REASON).isNull(), F.col("_nth") > 1
        rows = rows.withColumn("_nth", nth)
        if source.content_key is not None:
            (key,) = keys
            numbered = F.concat(key, F.lit("-"), F.col("_nth").cast("string"))
            rows = rows.withColumn(key, F.when(good & later, numbered).otherwise(F.col(key)))
        else:
            again = F.lit(repeated_key_reason(source.table))
            rows = rows.withColumn(
                ROW_VALUES, F.when(good & later, _values(source, rows)).otherwise(F.col(ROW_VALUES))
            )
            rows = rows.withColumn(REASON, F.when(good & later, again).otherwise(F.col(REASON)))
        return rows.drop("_nth")

    def _report(self, source: Source) -> FileReport:
        report = FileReport(self._names[source])
        with translate_spark_errors():
            for reason, number in self._tables[source].groupBy(REASON).count().collect():
                report.rows += number
                if reason:
                    report.rejected[reason] += number
        report.raise_if_too_many_rejected(self._max_rejected, "scored")
        return report

    def _good(self, source: Source) -> DataFrame:
        return self._tables[source].where(F.col(REASON).isNull()).drop(REASON, ROW_VALUES)

    def _orphans(self, source: Source) -> Iterator[DataFrame]:
        """The good rows without a good parent; the report gets to know of them."""
        by_table = {other.table: other for other in self._tables}
        for child, parent in referenced_columns(source.table).items():
            if parent.table not in by_table:
                continue
            known = self._good(by_table[parent.table]).select(F.col(parent.name).alias(child.name))
            mine = self._good(source).where(F.col(child.name).isNotNull())
            lost = mine.join(known, child.name, "left_anti")
            reason = missing_reference_reason(child, parent)
            with translate_spark_errors():
                self._reports[source].rejected[reason] += lost.count()
            told = lost.withColumn(REASON, F.lit(reason)).withColumn(
                ROW_VALUES, _values(source, lost)
            )
            yield _set_aside(source, told)

    def _faulty(self, source: Source) -> DataFrame:
        return _set_aside(source, self._tables[source].where(F.col(REASON).isNotNull()))


def _set_aside(source: Source, rows: DataFrame) -> DataFrame:
    """Bad rows as they are written: the table that they were for, where they lie, and why."""
    return rows.select(
        F.lit(source.table.name).alias("table_name"),
        F.col(FILE).alias("file"),
        F.col(ROW).alias("row_number"),
        F.col(REASON).alias("reason"),
        F.col(ROW_VALUES).alias("row_values"),
    )


def _values(source: Source, rows: DataFrame) -> Column:
    names = [column.name for column in source.columns if column.name in rows.columns]
    return F.to_json(F.struct(*names), {"ignoreNullFields": "false"})


def _spark_sql(query: Select) -> str:
    ours = query.compile(
        dialect=postgresql.dialect(paramstyle="named"), compile_kwargs={"literal_binds": True}
    )
    return sqlglot.transpile(str(ours), read="postgres", write="spark")[0]
