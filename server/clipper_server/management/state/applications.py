"""The tables of applications and their links."""

from __future__ import annotations

import time
from collections import defaultdict

import msgspec

from ...feedback import FeedbackSpec
from ...policies import PolicySpec
from ...snapshot import ApplicationSpec
from .database import Database
from .records import PolicyMove

_POLICY = PolicySpec | None
_FEEDBACK = FeedbackSpec | None


class Applications(Database):
    def applications(self) -> list[ApplicationSpec]:
        return list(self.remember("applications", self._applications))

    def _applications(self) -> list[ApplicationSpec]:
        links: defaultdict[str, list[str]] = defaultdict(list)
        for row in self._db.execute("SELECT application, model FROM links ORDER BY position"):
            links[row["application"]].append(row["model"])
        return [
            ApplicationSpec(
                row["name"],
                row["input_type"],
                msgspec.json.decode(row["default_output"]),
                row["latency_slo_micros"],
                links[row["name"]],
                row["on_overload"],
                msgspec.json.decode(row["policy"], type=_POLICY),
                msgspec.json.decode(row["feedback"], type=_FEEDBACK),
            )
            for row in self._db.execute("SELECT * FROM applications ORDER BY name")
        ]

    def application(self, name: str) -> ApplicationSpec | None:
        return next((a for a in self.applications() if a.name == name), None)

    def add_application(self, application: ApplicationSpec) -> None:
        default_output = msgspec.json.encode(application.default_output).decode()
        with self._change():
            self._db.execute(
                "INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    application.name,
                    application.input_type,
                    default_output,
                    application.latency_slo_micros,
                    application.on_overload,
                    msgspec.json.encode(application.policy).decode(),
                    msgspec.json.encode(application.feedback).decode(),
                    time.time(),
                ),
            )

    def registered_at(self, name: str) -> float:
        """In seconds since 1970."""
        row = self._db.execute("SELECT at FROM applications WHERE name = ?", (name,)).fetchone()
        return 0.0 if row is None else float(row["at"])

    def update_application(self, application: ApplicationSpec) -> None:
        """Its objective and default output are new. The rest cannot change while clients ask it."""
        default_output = msgspec.json.encode(application.default_output).decode()
        with self._change():
            self._db.execute(
                "UPDATE applications SET default_output = ?, latency_slo_micros = ? WHERE name = ?",
                (default_output, application.latency_slo_micros, application.name),
            )

    def set_policy(self, application: str, policy: PolicySpec | None, who: str, message: str) -> None:
        text = msgspec.json.encode(policy).decode()
        with self._change():
            self._db.execute("UPDATE applications SET policy = ? WHERE name = ?", (text, application))
            self._db.execute(
                "INSERT INTO policies (application, policy, at, who, message) VALUES (?, ?, ?, ?, ?)",
                (application, text, time.time(), who, message),
            )

    def set_feedback(self, application: str, feedback: FeedbackSpec | None) -> None:
        text = msgspec.json.encode(feedback).decode()
        with self._change():
            self._db.execute("UPDATE applications SET feedback = ? WHERE name = ?", (text, application))

    def policies(self, application: str) -> list[PolicyMove]:
        """Those that it has had, the last one at the end."""
        query = "SELECT policy, at, who, message FROM policies WHERE application = ? ORDER BY id"
        return [
            PolicyMove(
                msgspec.json.decode(row["policy"], type=_POLICY), row["at"], row["who"], row["message"]
            )
            for row in self._db.execute(query, (application,))
        ]

    def remove_application(self, name: str) -> None:
        with self._change():
            self._db.execute("DELETE FROM applications WHERE name = ?", (name,))

    def links(self, application: str) -> list[str]:
        query = "SELECT model FROM links WHERE application = ? ORDER BY position"
        return [row["model"] for row in self._db.execute(query, (application,))]

    def link(self, application: str, *models: str) -> None:
        query = "INSERT INTO links (application, model) VALUES (?, ?)"
        with self._change():
            self._db.executemany(query, [(application, model) for model in models])

    def unlink(self, application: str, *models: str) -> None:
        query = "DELETE FROM links WHERE application = ? AND model = ?"
        with self._change():
            self._db.executemany(query, [(application, model) for model in models])
