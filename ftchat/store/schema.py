"""The tables, as an ordered list of migrations. A change is a new migration at the end, never an edit of an old one.

What people said (votes, ratings, corrections, reviews, voids) is append-only: a trigger refuses anything else.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("ftchat")

_APPEND_ONLY = ("votes", "ratings", "corrections", "reviews", "voids", "turns", "idempotency")


@migrations()
def m001_what_people_said(db: Database) -> None:
    """Conversations, turns, replies, and the five append-only tables of feedback."""
    for sql in (
        """CREATE TABLE bases (fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL, first_seen_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE conversations (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, system TEXT NOT NULL DEFAULT '',
            context TEXT NOT NULL DEFAULT '[]', group_key TEXT NOT NULL, created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX conversations_owner ON conversations (owner, id)",
        "CREATE INDEX conversations_group ON conversations (group_key)",
        """CREATE TABLE turns (
            id TEXT PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations, owner TEXT NOT NULL,
            parent TEXT REFERENCES turns, mode TEXT NOT NULL CHECK (mode IN ('chat','compare')),
            blind INTEGER NOT NULL CHECK (blind IN (0,1)), prompt TEXT NOT NULL, params TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX turns_conversation ON turns (conversation, id)",
        """CREATE TABLE replies (
            id TEXT PRIMARY KEY, turn TEXT NOT NULL REFERENCES turns,
            lane TEXT NOT NULL CHECK (lane IN ('only','left','right')),
            contestant TEXT NOT NULL, model TEXT NOT NULL, base TEXT NOT NULL REFERENCES bases,
            text TEXT NOT NULL DEFAULT '', reasoning TEXT NOT NULL DEFAULT '',
            finish TEXT CHECK (finish IN ('stop','length','cut','error')), error TEXT NOT NULL DEFAULT '',
            prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,
            ttft_ms REAL, duration_ms REAL, examples TEXT NOT NULL DEFAULT '[]', UNIQUE (turn, lane)) STRICT""",
        """CREATE TRIGGER replies_once BEFORE UPDATE ON replies WHEN OLD.finish IS NOT NULL
           BEGIN SELECT RAISE(ABORT, 'a finished reply never changes'); END""",
        """CREATE TABLE votes (
            id TEXT PRIMARY KEY, turn TEXT NOT NULL REFERENCES turns, rater TEXT NOT NULL,
            winner TEXT NOT NULL CHECK (winner IN ('left','right','tie','both_bad')),
            blind INTEGER NOT NULL CHECK (blind IN (0,1)), reasons TEXT NOT NULL, comment TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE UNIQUE INDEX votes_one_blind ON votes (turn) WHERE blind = 1",
        "CREATE INDEX votes_turn ON votes (turn)",
        """CREATE TABLE ratings (
            id TEXT PRIMARY KEY, reply TEXT NOT NULL REFERENCES replies, rater TEXT NOT NULL,
            value TEXT NOT NULL CHECK (value IN ('up','down')), reasons TEXT NOT NULL, comment TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX ratings_reply ON ratings (reply)",
        """CREATE TABLE corrections (
            id TEXT PRIMARY KEY, reply TEXT NOT NULL REFERENCES replies, rater TEXT NOT NULL, text TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX corrections_reply ON corrections (reply)",
        """CREATE TABLE voids (
            target TEXT PRIMARY KEY, by TEXT NOT NULL, created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE reviews (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('pending','approved','rejected')), by TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX reviews_target ON reviews (target, seq)",
        """CREATE TABLE groups (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
            split TEXT NOT NULL CHECK (split IN ('train','tune','exam')), created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE idempotency (
            owner TEXT NOT NULL, key TEXT NOT NULL, result TEXT NOT NULL, created_at TEXT NOT NULL,
            PRIMARY KEY (owner, key)) STRICT""",
    ):
        db.execute(sql)
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            db.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


@migrations()
def m002_what_was_trained(db: Database) -> None:
    """Snapshots, runs, adapters, and which one is champion of which base."""
    for sql in (
        """CREATE TABLE snapshots (
            id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE snapshot_rows (
            snapshot TEXT NOT NULL REFERENCES snapshots, feedback TEXT NOT NULL, split TEXT NOT NULL,
            PRIMARY KEY (snapshot, feedback)) STRICT""",
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, by TEXT NOT NULL, base TEXT NOT NULL REFERENCES bases, args TEXT NOT NULL,
            stage TEXT NOT NULL CHECK (stage IN
                ('queued','snapshot','train','exam','publish','done','rejected','stopped','failed')),
            progress REAL NOT NULL DEFAULT 0, eta_s REAL, snapshot TEXT REFERENCES snapshots, adapter TEXT,
            reason TEXT NOT NULL DEFAULT '', verdict TEXT, created_at TEXT NOT NULL, ended_at TEXT) STRICT""",
        """CREATE UNIQUE INDEX runs_one_unfinished ON runs ((1))
           WHERE stage NOT IN ('done','rejected','stopped','failed')""",
        """CREATE TABLE adapters (
            name TEXT PRIMARY KEY, number INTEGER NOT NULL, base TEXT NOT NULL REFERENCES bases,
            state TEXT NOT NULL CHECK (state IN
                ('candidate','challenger','champion','retired','rejected','broken')),
            run TEXT REFERENCES runs, reasons TEXT NOT NULL DEFAULT '[]', created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE champions (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, base TEXT NOT NULL REFERENCES bases, contestant TEXT NOT NULL,
            step TEXT NOT NULL CHECK (step IN ('forward','back')), by TEXT NOT NULL, why TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE replay_answers (
            base TEXT NOT NULL REFERENCES bases, prompt TEXT NOT NULL, answer TEXT NOT NULL,
            PRIMARY KEY (base, prompt)) STRICT""",
        """CREATE TABLE numbers (slug TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT""",
    ):
        db.execute(sql)


@migrations()
def m003_find_corrections(db: Database) -> None:
    """Full-text search over the prompts of corrections, for few-shot."""
    db.execute("CREATE VIRTUAL TABLE correction_prompts USING fts5(correction UNINDEXED, prompt, tokenize = 'porter')")
