-- The tables of state.db at schema 13, the first that later ones are made of. They stay as they are.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE applications (
    name TEXT PRIMARY KEY, input_type TEXT NOT NULL, default_output TEXT NOT NULL,
    latency_slo_micros INTEGER NOT NULL, on_overload TEXT NOT NULL, policy TEXT NOT NULL,
    feedback TEXT NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE policies (
    id INTEGER PRIMARY KEY, application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE,
    policy TEXT NOT NULL, at REAL NOT NULL, who TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE versions (
    model TEXT NOT NULL, version TEXT NOT NULL, input_type TEXT NOT NULL, artifact TEXT,
    labels TEXT NOT NULL, num_replicas INTEGER NOT NULL, batching TEXT NOT NULL, size TEXT,
    columns TEXT NOT NULL, hang_after_s REAL NOT NULL, max_cached_input INTEGER NOT NULL,
    resources TEXT NOT NULL, runtime TEXT NOT NULL, env TEXT NOT NULL, autoscaling TEXT NOT NULL,
    concurrency INTEGER NOT NULL, uses TEXT NOT NULL, stages TEXT NOT NULL,
    deployed_by TEXT NOT NULL, message TEXT NOT NULL, make_current INTEGER NOT NULL, nonce TEXT NOT NULL,
    state TEXT NOT NULL, error TEXT,
    PRIMARY KEY (model, version)) STRICT;
CREATE TABLE replica_numbers (
    model TEXT NOT NULL, version TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (model, version)) STRICT;
CREATE TABLE links (
    application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE, model TEXT NOT NULL,
    position INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (application, model)) STRICT;
CREATE TABLE current (
    model TEXT PRIMARY KEY, version TEXT NOT NULL,
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
CREATE TABLE version_labels (
    model TEXT NOT NULL, label TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (model, label),
    FOREIGN KEY (model, version) REFERENCES versions ON DELETE CASCADE) STRICT;
CREATE TABLE history (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL, move TEXT NOT NULL,
    who TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, control TEXT NOT NULL, canary TEXT NOT NULL,
    steps TEXT NOT NULL, hold_s REAL NOT NULL, guardrails TEXT NOT NULL, observe INTEGER NOT NULL,
    sticky INTEGER NOT NULL, state TEXT NOT NULL, step INTEGER NOT NULL, verdict TEXT NOT NULL,
    who TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL, ended_at REAL) STRICT;
CREATE TABLE shadows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, version TEXT NOT NULL, fraction REAL NOT NULL,
    state TEXT NOT NULL, who TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL, ended_at REAL) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    text TEXT NOT NULL) STRICT;
