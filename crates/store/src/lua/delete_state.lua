-- Deletes an entry, if its version is the expected one and the fence holds.
-- KEYS: entry, clock, names, deadlines, feed, lock, did
-- ARGV: fingerprint, keep_did_ms, expected ('' any), key, fence token, feed length, channel, news
-- OK: existed (1 or 0). Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH current.
return once(KEYS[7], ARGV[1], ARGV[2], function()
  local refused = fenced_out(KEYS[6], ARGV[5])
  if refused then return refused end
  local current = redis.call('HGET', KEYS[1], 'v')
  if ARGV[3] ~= '' and (current or '0') ~= ARGV[3] then return {'VERSION_MISMATCH', current or '0'} end
  if not current then return {'OK', 0} end

  local version = tick(KEYS[2])
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], ARGV[4])
  redis.call('ZREM', KEYS[4], ARGV[4])
  tell_change('deleted', version, ARGV[4], ARGV[6], ARGV[7], ARGV[8])
  return {'OK', 1}
end)
