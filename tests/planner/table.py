"""``archive_metadata``, filled with rows that no Anchore of today would write."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from stores.interface import DocumentName


@dataclass(frozen=True)
class Table:
    engine: sa.Engine

    @classmethod
    def of(cls, url: str) -> Table:
        return cls(sa.create_engine(url.replace("postgresql://", "postgresql+pg8000://")))

    def add(
        self,
        bucket: str,
        key: str,
        *,
        user: str = "admin",
        name: str | None = None,
        url: str | None = "",
        digest: str | None = "0" * 32,
        size: int | None = 10,
    ) -> DocumentName:
        """Add a row as driver ``db`` has it, but for what is said otherwise."""
        added = DocumentName(bucket, key, user, f"{key}.json" if name is None else name)
        stored = f"db://{user}/{bucket}/{key}" if url == "" else url
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    """
                    INSERT INTO archive_metadata
                        (bucket, "archiveId", "userId", "documentName", content_url, digest, size)
                    VALUES (:bucket, :archive_id, :user_id, :document_name, :url, :digest, :size)
                    """
                ),
                {**added._asdict(), "url": stored, "digest": digest, "size": size},
            )
        return added

    def remove(self, name: DocumentName) -> None:
        where = 'bucket = :bucket AND "archiveId" = :archive_id AND "userId" = :user_id'
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"DELETE FROM archive_metadata WHERE {where}"), name._asdict())
