"""Every statement of the hot path, by name, with `?` places (the PostgreSQL side writes them as `%s`).

Each move is a compare-and-set: the state it leaves stands in its WHERE, and the rows it matched are the answer. The
states in the texts are those of `worker.domain.states`; a test compares them with the table.
"""

# -- moves of letters, many in one statement (SQLite; PostgreSQL has its own with arrays) --------------------------------
# {rows} becomes (?, ...), (?, ...): as many as the group has.
QUEUED = "SELECT json_group_array(id) FROM letters WHERE state = 'queued' AND "

CLAIM = "UPDATE letters SET state = 'claimed', claim = ? WHERE state = 'queued' AND "

# Who withdrew is not written for, however their letter came back into the queue; nor is who ended the consent that its
# send-out needs, or asked for quiet. All is looked at in the very statement that makes the mark.
FOUNDED = """
EXISTS (SELECT 1 FROM signatures g JOIN sendouts o ON o.id = letters.sendout_id
        WHERE g.id = letters.signature_id AND g.state IN ('unconfirmed', 'confirmed')
          AND (o.consent = '' OR (
              EXISTS (SELECT 1 FROM consents k
                      WHERE k.signature_id = g.id AND k.kind = o.consent AND k.withdrawn_at IS NULL)
              AND NOT EXISTS (SELECT 1 FROM signers s JOIN quiet q ON q.address_key = s.address_key
                              WHERE s.id = g.signer_id))))
"""

START = f"""
UPDATE letters SET state = 'sending', attempts = a.column2 FROM (VALUES {{rows}}) a
WHERE letters.id = a.column1 AND state = 'claimed' AND claim = a.column3 AND attempts = a.column2 - 1 AND {FOUNDED}
"""

UNFOUNDED = f"""
UPDATE letters SET state = 'cancelled', claim = NULL, ended_at = ?, reason = 'its signature or consent ended'
WHERE id = ? AND state = 'claimed' AND claim = ? AND NOT {FOUNDED}
RETURNING id
"""

MARK = """
INSERT INTO attempts (letter_id, number, round_id, relay, lane_id, started_at, addressee_pin, frame_pin, signer_version,
                      date_us, renderer, hash)
VALUES {rows}
"""

END_SENDING = """
UPDATE letters SET state = a.column4, due_at = a.column5, life_us = a.column6, reason = a.column7, ended_at = a.column8,
                   claim = NULL, suspect = 0, doubts = doubts + a.column9, resend_of = NULL
FROM (VALUES {rows}) a
WHERE letters.id = a.column1 AND state = 'sending' AND claim = a.column3 AND attempts = a.column2
"""

END_CLAIMED = """
UPDATE letters SET state = a.column4, due_at = a.column5, life_us = a.column6, reason = a.column7, ended_at = a.column8,
                   claim = NULL, suspect = 0, doubts = doubts + a.column9, attempts = a.column10
FROM (VALUES {rows}) a
WHERE letters.id = a.column1 AND state = 'claimed' AND claim = a.column3 AND attempts = a.column2 - 1
"""

END_ATTEMPT = """
UPDATE attempts SET ended_at = a.column1, kind = a.column2, scope = a.column3, stage = a.column4, code = a.column5,
                    enhanced = a.column6, text = a.column7, rule = a.column8, steps = a.column9
FROM (VALUES {rows}) a
WHERE letter_id = a.column10 AND number = a.column11 AND attempts.ended_at IS NULL
"""

WHOLE_ATTEMPT = """
INSERT INTO attempts (ended_at, kind, scope, stage, code, enhanced, text, rule, steps,
                      letter_id, number, round_id, relay, lane_id)
VALUES {rows}
"""

# -- written before, or late -------------------------------------------------------------------------------------------
STARTED_BEFORE = """
SELECT 1 FROM letters l JOIN attempts a ON a.letter_id = l.id AND a.number = l.attempts
WHERE l.id = ? AND l.state = 'sending' AND a.number = ? AND a.round_id = ? AND a.ended_at IS NULL
"""

ATTEMPT_END = """
SELECT l.state, a.kind, a.round_id FROM attempts a JOIN letters l ON l.id = a.letter_id
WHERE a.letter_id = ? AND a.number = ? AND a.ended_at IS NOT NULL
"""

LATE_REPLY = """
UPDATE letters SET state = ?, due_at = ?, ended_at = ?, reason = ?, resend_of = NULL
WHERE id = ? AND state = 'in_doubt' AND attempts = ?
RETURNING id
"""

END_ATTEMPT_LATE = """
UPDATE attempts SET ended_at = ?, kind = ?, scope = ?, stage = ?, code = ?, enhanced = ?, text = ?, rule = ?, steps = ?
WHERE letter_id = ? AND number = ?
"""

# -- counts, gates, holds ------------------------------------------------------------------------------------------------
ADD_COUNTS = "INSERT INTO count_deltas (campaign_id, sendout_id, addressee, state, n) VALUES {rows}"

GATES = "SELECT kind, key, opens_at, reason, since, strikes FROM gates"

MOVE_GATE = """
INSERT INTO gates (kind, key, opens_at, reason, since, strikes) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
    opens_at = excluded.opens_at, reason = excluded.reason,
    strikes = CASE WHEN excluded.strikes = 0 THEN 0 ELSE gates.strikes + 1 END,
    since = CASE WHEN gates.strikes = 0 OR excluded.strikes = 0 THEN excluded.since ELSE gates.since END
RETURNING strikes, since
"""

LANES_REFUSING = "SELECT count(*) FROM gates WHERE kind = 'lane-fuse' AND strikes > 0"

STANDING_HOLDS = "SELECT scope, target FROM holds WHERE lifted_at IS NULL AND (until IS NULL OR until > ?)"

PLACE_HOLD = "INSERT INTO holds (scope, target, reason, who, since) VALUES (?, ?, ?, ?, ?)"

# -- choosing work -------------------------------------------------------------------------------------------------------
# One probe of the index letters_due for every (lane, campaign, rank): its cost does not depend on the depth of the queue.
FRONTS = """
SELECT l.id, l.key, l.kind, l.domain, l.served_at, c.id, c.slug, r.rank,
       (SELECT min(x.due_at) FROM letters x
        WHERE x.lane_id = l.id AND x.campaign_id = c.id AND x.rank = r.rank AND x.state = 'queued') AS first_due
FROM lanes l CROSS JOIN campaigns c
CROSS JOIN (SELECT 0 AS rank UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) r
"""

OPEN_ROUNDS = "SELECT lane_id, slot, relay FROM rounds WHERE closed_at IS NULL"

OPEN_ROUND = """
INSERT INTO rounds (lane_id, slot, worker, relay, lone, opened_at, renewed_at, ended)
VALUES (?, ?, ?, ?, ?, ?, ?, '')
ON CONFLICT DO NOTHING
RETURNING id
"""

SERVED = "UPDATE lanes SET served_at = ? WHERE id = ?"

LONE = "UPDATE rounds SET lone = ? WHERE id = ?"

CANDIDATES = """
SELECT id, campaign_id, addressee, rank, suspect FROM letters
WHERE lane_id = ? AND campaign_id = ? AND rank = ? AND state = 'queued' AND due_at <= ? AND {addressees}
ORDER BY due_at, id LIMIT ?
"""

CLAIMED = """
SELECT l.id, l.campaign_id, l.sendout_id, l.addressee, l.attempts + 1, l.life_us, l.not_after, l.resend_of, l.mac,
       g.id, COALESCE(o.text_id, g.text_id), g.language, s.id, g.signer_version, s.wrapped_key, v.sealed, o.name, l.made_at,
       o.facts, l.due_at
FROM letters l JOIN signatures g ON g.id = l.signature_id JOIN signers s ON s.id = g.signer_id
JOIN signer_versions v ON v.signer_id = s.id AND v.version = g.signer_version JOIN sendouts o ON o.id = l.sendout_id
WHERE l.state = 'claimed' AND l.claim = ? AND
"""

# -- the life of a round -------------------------------------------------------------------------------------------------
RENEW = "UPDATE rounds SET renewed_at = ? WHERE closed_at IS NULL AND "

RELEASE = """
UPDATE letters SET state = 'queued', claim = NULL WHERE claim = ? AND state = 'claimed'
RETURNING campaign_id, sendout_id, addressee
"""

CLOSE_ROUND = "UPDATE rounds SET closed_at = ?, ended = ? WHERE id = ? AND closed_at IS NULL"

# -- rescue --------------------------------------------------------------------------------------------------------------
DEAD_ROUNDS = """
UPDATE rounds SET closed_at = ?, ended = 'died' WHERE closed_at IS NULL AND renewed_at < ? RETURNING id, lone
"""

DEAD_CLAIMS = """
SELECT id, campaign_id, sendout_id, addressee, suspect, state, attempts FROM letters WHERE claim = ?
"""

SUSPECT = """
UPDATE letters SET state = 'queued', claim = NULL, suspect = ? WHERE id = ? AND state = 'claimed' AND claim = ?
RETURNING id
"""

FAULTY = """
UPDATE letters SET state = 'faulty', claim = NULL, ended_at = ?, reason = 'workers died with it'
WHERE id = ? AND state = 'claimed' AND claim = ?
RETURNING id
"""

LOSE = """
UPDATE letters SET state = 'in_doubt', claim = NULL, suspect = 0, doubts = doubts + 1, ended_at = ?, reason = 'round died'
WHERE id = ? AND state = 'sending' AND claim = ?
RETURNING id
"""

LOSE_ATTEMPT = """
UPDATE attempts SET ended_at = ?, kind = 'lose', scope = 'connection', stage = 'dot', code = 0, enhanced = '',
                    text = 'the worker died before it could record a reply', rule = 'round-died', steps = '{}'
WHERE letter_id = ? AND number = ? AND ended_at IS NULL
"""

RESENDABLE = """
SELECT l.id, l.campaign_id, l.sendout_id, l.addressee, l.attempts
FROM letters l JOIN campaigns c ON c.id = l.campaign_id
JOIN attempts a ON a.letter_id = l.id AND a.number = l.attempts
JOIN rounds r ON r.id = a.round_id
WHERE l.state = 'in_doubt' AND l.doubts = 1 AND c.slug = ? AND r.renewed_at < ?
"""

RESEND = """
UPDATE letters SET state = 'queued', due_at = ?, resend_of = ?, ended_at = NULL, reason = 'sent again once after doubt'
WHERE id = ? AND state = 'in_doubt' AND attempts = ?
RETURNING id
"""

RECORDED = """
SELECT a.addressee_pin, a.frame_pin, a.signer_version, a.date_us, a.renderer, a.hash, l.addressee, l.mac, g.id,
       COALESCE(o.text_id, g.text_id), g.language, s.id, s.wrapped_key, v.sealed, o.name, l.made_at, o.facts
FROM attempts a JOIN letters l ON l.id = a.letter_id JOIN signatures g ON g.id = l.signature_id
JOIN sendouts o ON o.id = l.sendout_id
JOIN signers s ON s.id = g.signer_id JOIN signer_versions v ON v.signer_id = s.id AND v.version = a.signer_version
WHERE a.letter_id = ? AND a.number = ?
"""

# -- pinned values and what notices carry --------------------------------------------------------------------------------
PIN_BODY = "SELECT hash, body FROM pins WHERE id = ?"

PIN = "INSERT INTO pins (hash, kind, body, made_at) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING"

PIN_ID = "SELECT id FROM pins WHERE hash = ?"

# The newest there was when the notice was queued (else the first that came after): a newer one, made for a later notice,
# must not change what this one is made from. So the answer is the same at every attempt, and when it is made again.
SEALED_FOR_NOTICE = """
SELECT sealed FROM tokens WHERE signature_id = ? AND kind = ?
ORDER BY CASE WHEN made_at <= ? THEN 0 ELSE 1 END, abs(made_at - ?), hash LIMIT 1
"""

OPEN_REVIEW = "SELECT 1 FROM reviews WHERE signature_id = ? AND decided_at IS NULL"

# -- refilling the pacer -------------------------------------------------------------------------------------------------
STARTED_SINCE = """
SELECT a.relay, n.key, n.kind, n.domain, c.slug, a.started_at / 1000000, count(*)
FROM attempts a JOIN letters l ON l.id = a.letter_id JOIN lanes n ON n.id = a.lane_id
JOIN campaigns c ON c.id = l.campaign_id
WHERE a.started_at IS NOT NULL AND a.started_at > ?
GROUP BY 1, 2, 3, 4, 5, 6
"""
