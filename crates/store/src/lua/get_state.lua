-- Reads an entry.
-- KEYS: entry
-- OK: expires_ms (negative if there is none), {field, value, ...}
return {'OK', redis.call('PEXPIRETIME', KEYS[1]), redis.call('HGETALL', KEYS[1])}
