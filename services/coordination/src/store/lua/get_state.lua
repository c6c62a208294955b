-- Reads an entry.
-- KEYS: entry
-- OK: expires_ms (negative if there is none), then field, value, ...
return {'OK', redis.call('PEXPIRETIME', KEYS[1]), unpack(redis.call('HGETALL', KEYS[1]))}
