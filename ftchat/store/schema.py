"""The tables, as an ordered list of migrations. A change is a new migration at the end, never an edit of an old one.

What people said (votes, ratings, corrections, reviews, voids) is append-only: a trigger refuses anything else.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("ftchat")

_APPEND_ONLY = ("votes", "ratings", "corrections", "reviews", "voids", "turns", "idempotency")
_KINDS = ("vote", "rating", "correction")


def _append_only(db: Database, table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        does = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        db.execute(f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {does}")


_FOLLOWS = {
    "voids": "DELETE FROM standing WHERE id = NEW.target",
    "reviews": "UPDATE standing SET status = NEW.status WHERE id = NEW.target AND status <> NEW.status",
}


def _follow(db: Database, table: str) -> None:
    """Let what stands follow a table, which takes rows on what stands and on nothing else."""
    db.execute(
        f"""CREATE TRIGGER {table}_of_what_stands BEFORE INSERT ON {table}
            WHEN NOT EXISTS (SELECT 1 FROM standing WHERE id = NEW.target)
            BEGIN SELECT RAISE(ABORT, 'nothing stands under this id'); END"""
    )
    db.execute(f"CREATE TRIGGER {table}_count AFTER INSERT ON {table} BEGIN {_FOLLOWS[table]}; END")


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
        _append_only(db, table)


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


@migrations()
def m004_what_stands(db: Database) -> None:
    """One row for each piece of feedback that stands, with its status, and how many there are of each.

    Both follow from the append-only tables, and only triggers write them: whatever appends keeps them true.
    """
    for sql in (
        """CREATE TABLE standing (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('vote','rating','correction')),
            status TEXT NOT NULL CHECK (status IN ('pending','approved','rejected')), rater TEXT NOT NULL)
           STRICT, WITHOUT ROWID""",
        "CREATE INDEX standing_queue ON standing (kind, status, id)",
        "CREATE INDEX standing_rater ON standing (rater, kind, status, id)",
        """CREATE TABLE tallies (
            kind TEXT NOT NULL, status TEXT NOT NULL, n INTEGER NOT NULL CHECK (n >= 0), PRIMARY KEY (kind, status))
           STRICT, WITHOUT ROWID""",
        """CREATE TRIGGER standing_one_more AFTER INSERT ON standing
           BEGIN UPDATE tallies SET n = n + 1 WHERE kind = NEW.kind AND status = NEW.status; END""",
        """CREATE TRIGGER standing_one_less AFTER DELETE ON standing
           BEGIN UPDATE tallies SET n = n - 1 WHERE kind = OLD.kind AND status = OLD.status; END""",
        """CREATE TRIGGER standing_decided AFTER UPDATE OF status ON standing BEGIN
             UPDATE tallies SET n = n - 1 WHERE kind = OLD.kind AND status = OLD.status;
             UPDATE tallies SET n = n + 1 WHERE kind = NEW.kind AND status = NEW.status; END""",
    ):
        db.execute(sql)
    for kind in _KINDS:
        db.execute(
            f"INSERT INTO tallies VALUES ('{kind}','pending',0), ('{kind}','approved',0), ('{kind}','rejected',0)"
        )
        db.execute(
            f"""INSERT INTO standing SELECT id, '{kind}', COALESCE((SELECT status FROM reviews
                WHERE reviews.target = f.id ORDER BY seq DESC LIMIT 1), 'pending'), rater FROM {kind}s f
                WHERE NOT EXISTS (SELECT 1 FROM voids WHERE voids.target = f.id)"""
        )
        db.execute(
            f"""CREATE TRIGGER {kind}s_stand AFTER INSERT ON {kind}s
                BEGIN INSERT INTO standing VALUES (NEW.id, '{kind}', 'pending', NEW.rater); END"""
        )
    for table in ("voids", "reviews"):
        _follow(db, table)
    _append_only(db, "groups")


@migrations()
def m005_find_what_was_said(db: Database) -> None:
    """Full-text search: a row for each question, and one for each correction together with its question.

    The rows hold ids, not rowids of turns: those may change when a file is compacted. They are written by `words`: a
    trigger may not write to such a table while the schema is not trusted.
    """
    corrections = """SELECT k.id, t.id, t.owner, t.prompt || char(10) || k.text FROM corrections k
                     JOIN replies r ON r.id = k.reply JOIN turns t ON t.id = r.turn"""
    for sql in (
        """CREATE VIRTUAL TABLE words USING fts5(
            id UNINDEXED, turn UNINDEXED, owner, said, tokenize = 'unicode61 remove_diacritics 2')""",
        f"""INSERT INTO words (id, turn, owner, said) SELECT * FROM (
            SELECT id, id AS turn, owner, prompt FROM turns UNION ALL {corrections}) ORDER BY substr(id, 3)""",
    ):
        db.execute(sql)


@migrations()
def m006_conversations_by_mode(db: Database) -> None:
    """In which mode a conversation began, so that a page of them is found by index."""
    for sql in (
        "ALTER TABLE conversations ADD COLUMN mode TEXT CHECK (mode IN ('chat','compare'))",
        """UPDATE conversations SET mode =
            (SELECT mode FROM turns WHERE turns.conversation = conversations.id ORDER BY turns.id LIMIT 1)""",
        "CREATE INDEX conversations_owner_mode ON conversations (owner, mode, id)",
        """CREATE TRIGGER turns_begin AFTER INSERT ON turns WHEN NEW.parent IS NULL
           BEGIN UPDATE conversations SET mode = NEW.mode WHERE id = NEW.conversation AND mode IS NULL; END""",
    ):
        db.execute(sql)


@migrations()
def m007_fewer_pages_a_vote(db: Database) -> None:
    """The same rows and rules in fewer trees: each page that a vote touches is written and waited for with it.

    Nothing is ever deleted from reviews and groups, so their numbers need no AUTOINCREMENT. What a review is of is
    looked up in `standing`. One index serves the votes of a turn and sees to it that at most one is blind.
    """
    for sql in (
        """CREATE TABLE new_reviews (
            seq INTEGER PRIMARY KEY, target TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('pending','approved','rejected')), by TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE new_groups (
            ordinal INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
            split TEXT NOT NULL CHECK (split IN ('train','tune','exam')), created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE new_idempotency (
            owner TEXT NOT NULL, key TEXT NOT NULL, result TEXT NOT NULL, created_at TEXT NOT NULL,
            PRIMARY KEY (owner, key)) STRICT, WITHOUT ROWID""",
    ):
        db.execute(sql)
    for table in ("reviews", "groups", "idempotency"):
        db.execute(f"INSERT INTO new_{table} SELECT * FROM {table}")
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
        _append_only(db, table)
    _follow(db, "reviews")
    db.execute("DROP INDEX votes_one_blind")
    db.execute("DROP INDEX votes_turn")
    db.execute("CREATE UNIQUE INDEX votes_turn ON votes (turn, (CASE blind WHEN 1 THEN '' ELSE id END))")


@migrations()
def m010_who_may_what(db: Database) -> None:
    """Users, and what they come in with: logins, tokens and invitations, of each only a digest."""
    role = "CHECK (role IN ('viewer','rater','reviewer','admin'))"
    for sql in (
        f"""CREATE TABLE users (
            name TEXT PRIMARY KEY, role TEXT NOT NULL {role}, password TEXT NOT NULL DEFAULT '',
            disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0,1)), created_at TEXT NOT NULL) STRICT""",
        """CREATE TABLE logins (
            digest TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users, seen REAL NOT NULL,
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX logins_user ON logins (user)",
        "CREATE INDEX logins_seen ON logins (seen)",
        f"""CREATE TABLE tokens (
            id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, user TEXT NOT NULL REFERENCES users,
            role TEXT NOT NULL {role}, used REAL, revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0,1)),
            created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX tokens_user ON tokens (user)",
        f"""CREATE TABLE invitations (
            id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, role TEXT {role}, user TEXT REFERENCES users,
            by TEXT NOT NULL, expires REAL NOT NULL, spent INTEGER NOT NULL DEFAULT 0 CHECK (spent IN (0,1)),
            created_at TEXT NOT NULL, CHECK ((role IS NULL) <> (user IS NULL))) STRICT""",
    ):
        db.execute(sql)


@migrations()
def m020_a_tree_of_turns(db: Database) -> None:
    """How many earlier turns a prompt left out; and which conversations began as another wording of one's question."""
    for sql in (
        "ALTER TABLE replies ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0",
        """CREATE TABLE rewordings (
            conversation TEXT PRIMARY KEY REFERENCES conversations, first TEXT NOT NULL REFERENCES conversations)
           STRICT""",
        "CREATE INDEX rewordings_first ON rewordings (first)",
    ):
        db.execute(sql)


@migrations()
def m021_why(db: Database) -> None:
    """Reasons that were given after a vote, and the instruction of a correction that the model wrote."""
    for sql in (
        """CREATE TABLE vote_reasons (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, vote TEXT NOT NULL REFERENCES votes, reasons TEXT NOT NULL,
            comment TEXT NOT NULL, created_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX vote_reasons_vote ON vote_reasons (vote, seq)",
        "CREATE INDEX votes_both_bad ON votes (turn) WHERE winner = 'both_bad'",
        """CREATE TABLE correction_origins (
            correction TEXT PRIMARY KEY REFERENCES corrections, instruction TEXT NOT NULL) STRICT""",
    ):
        db.execute(sql)
    for table in ("vote_reasons", "correction_origins"):
        _append_only(db, table)


@migrations()
def m022_rating_sessions(db: Database) -> None:
    """Lists of questions that are answered ahead, and how far each is."""
    for sql in (
        """CREATE TABLE rating_sessions (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, created_at TEXT NOT NULL,
            ended_at TEXT) STRICT""",
        "CREATE INDEX rating_sessions_owner ON rating_sessions (owner, id)",
        """CREATE TABLE session_items (
            session TEXT NOT NULL REFERENCES rating_sessions, position INTEGER NOT NULL, prompt TEXT NOT NULL,
            turn TEXT REFERENCES turns, asked INTEGER NOT NULL DEFAULT 0, skipped TEXT,
            PRIMARY KEY (session, position)) STRICT, WITHOUT ROWID""",
    ):
        db.execute(sql)


@migrations()
def m050_pins(db: Database) -> None:
    """What must still be answered: a question, and what its answer has, lacks or matches."""
    db.execute(
        """CREATE TABLE pins (
            id TEXT PRIMARY KEY, prompt TEXT NOT NULL, contains TEXT NOT NULL, lacks TEXT NOT NULL,
            matches TEXT NOT NULL, by TEXT NOT NULL, created_at TEXT NOT NULL) STRICT"""
    )


@migrations()
def m051_runs_go_on(db: Database) -> None:
    """What a run that lost its app needs to go on: how often it was begun, its adapter's name, and whether to stop."""
    for sql in (
        "ALTER TABLE runs ADD COLUMN begun INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN name TEXT",
        "ALTER TABLE runs ADD COLUMN stop_asked INTEGER NOT NULL DEFAULT 0 CHECK (stop_asked IN (0,1))",
    ):
        db.execute(sql)


@migrations()
def m052_scores_kept(db: Database) -> None:
    """How likely a model finds a text: `what` is a digest of all the tokens, so that nothing is measured twice."""
    db.execute(
        """CREATE TABLE kept_scores (
            base TEXT NOT NULL REFERENCES bases, model TEXT NOT NULL, what TEXT NOT NULL, nll REAL NOT NULL,
            PRIMARY KEY (base, model, what)) STRICT, WITHOUT ROWID"""
    )


@migrations()
def m070_adapters_that_are_gone(db: Database) -> None:
    """Which adapters were deleted: their rows stay, since votes on them and the runs that made them do."""
    db.execute(
        """CREATE TABLE deleted_adapters (
            name TEXT PRIMARY KEY REFERENCES adapters, by TEXT NOT NULL, created_at TEXT NOT NULL) STRICT"""
    )


@migrations()
def m040_rows_both_ways(db: Database) -> None:
    """What a row of a snapshot became, found by its feedback too; and which adapter a run went on from, if it did."""
    for sql in (
        "ALTER TABLE snapshot_rows ADD COLUMN role TEXT NOT NULL DEFAULT 'target'",
        "CREATE INDEX snapshot_rows_feedback ON snapshot_rows (feedback)",
        "ALTER TABLE runs ADD COLUMN went_on_from TEXT",
        "CREATE INDEX runs_snapshot ON runs (snapshot)",
    ):
        db.execute(sql)


@migrations()
def m041_withdrawn(db: Database) -> None:
    """Feedback that was taken back because its person was to be left out, and by whom."""
    db.execute(
        """CREATE TABLE withdrawn (
            feedback TEXT PRIMARY KEY, person TEXT NOT NULL, by TEXT NOT NULL, created_at TEXT NOT NULL) STRICT"""
    )
    _append_only(db, "withdrawn")


@migrations()
def m042_who_was_told(db: Database) -> None:
    """That a run has ended was told to somebody outside, or why it could not be."""
    db.execute(
        """CREATE TABLE told (
            run TEXT PRIMARY KEY REFERENCES runs, status INTEGER, tries INTEGER NOT NULL, trouble TEXT NOT NULL,
            created_at TEXT NOT NULL) STRICT"""
    )


@migrations()
def m043_who_made_a_token(db: Database) -> None:
    """Which admin made a token: its user may be one that is only there for tokens."""
    db.execute("ALTER TABLE tokens ADD COLUMN made_by TEXT")


@migrations()
def m044_whose_conversation_went_on(db: Database) -> None:
    """The conversations that one owner began with the same question, newest first, are found without reading others."""
    db.execute("DROP INDEX conversations_group")
    db.execute("CREATE INDEX conversations_group ON conversations (group_key, owner, id)")
