-- Reads an entry.
-- OK: expires_ms (negative if there is no entry), fields {name, value, ...}.
local entry_key = KEYS[1]

return reply('OK', {expires_ms = redis.call('PEXPIRETIME', entry_key), fields = redis.call('HGETALL', entry_key)})
