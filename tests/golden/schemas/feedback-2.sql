-- The tables of feedback.db at schema 2, the first that later ones are made of. They stay as they are.
CREATE TABLE meta (key TEXT PRIMARY KEY, value REAL NOT NULL) STRICT;
CREATE TABLE contexts (
    application TEXT NOT NULL, context TEXT NOT NULL, used INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (application, context)) STRICT;
CREATE TABLE counts (application TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE pages (
    frontend INTEGER NOT NULL, page INTEGER NOT NULL, bits BLOB NOT NULL, since REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (frontend, page)) STRICT;
CREATE TABLE taken (
    frontend TEXT NOT NULL, began REAL NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (frontend, began)) STRICT;
CREATE TABLE unanswered (
    application TEXT NOT NULL, at INTEGER NOT NULL, context TEXT NOT NULL, arm TEXT NOT NULL,
    dealt INTEGER NOT NULL, times INTEGER NOT NULL, inverse REAL NOT NULL,
    PRIMARY KEY (application, at, context, arm, dealt)) STRICT;
