"""The table of version labels: names by which clients ask for a version, and that can be moved."""

from __future__ import annotations

from .database import Database


class VersionLabels(Database):
    def version_labels(self) -> dict[str, dict[str, str]]:
        """By model: which version each label names. Nobody may change it."""
        return self.remember("version_labels", self._version_labels)

    def _version_labels(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for row in self._db.execute("SELECT * FROM version_labels ORDER BY model, label"):
            found.setdefault(row["model"], {})[row["label"]] = row["version"]
        return found

    def set_version_label(self, model: str, label: str, version: str | None) -> None:
        """Let the label name this version, or nothing any more."""
        with self._change():
            self._db.execute("DELETE FROM version_labels WHERE model = ? AND label = ?", (model, label))
            if version is not None:
                self._db.execute("INSERT INTO version_labels VALUES (?, ?, ?)", (model, label, version))
