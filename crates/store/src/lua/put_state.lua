-- Writes an entry whole, if its version is the expected one and the fence holds.
-- KEYS: entry, clock, names, deadlines, feed, lock, did
-- ARGV: fingerprint, keep_did_ms, expected ('' any, '0' none), ttl_ms, writer, key, fence token, feed length,
--       channel, news, news of the expired up to the key, then field, value, ...
-- OK: version, expires_ms. Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH current.
return once(KEYS[7], ARGV[1], ARGV[2], function()
  local refused = fenced_out(KEYS[6], ARGV[7])
  if refused then return refused end
  local current = redis.call('HGET', KEYS[1], 'v')
  if ARGV[3] ~= '' and (current or '0') ~= ARGV[3] then return {'VERSION_MISMATCH', current or '0'} end

  local version = tick(KEYS[2])
  local now = now_ms()
  local expires = now + ARGV[4]
  if current then redis.call('DEL', KEYS[1]) end
  redis.call('HSET', KEYS[1], 'v', version, 'w', ARGV[5], 'u', now, unpack(ARGV, 12))
  keep_entry(not current, ARGV[6], expires)
  tell_change('put', version, ARGV[6], ARGV[8], ARGV[9], ARGV[10])
  sweep_some(ARGV[6], ARGV[8], ARGV[9], ARGV[11])
  return {'OK', version, expires}
end)
