-- Adds a lease, if no other was added since the caller decided that it may, and the fence holds. Leases that went since
-- then make no difference to the decision.
-- KEYS: files, deadlines, table, clock, lock, did
-- ARGV: fingerprint, keep_did_ms, fence token, token of the newest lease and time when the caller looked, lease id,
--       holder, lease, ttl_ms, channel, news up to the token
-- OK: lease id, token, since_ms, expires_ms. Refusals: REQUEST_ID_REUSED, STALE_FENCE, CHANGED.
return once(KEYS[6], ARGV[1], ARGV[2], function()
  local refused = fenced_out(KEYS[5], ARGV[3])
  if refused then return refused end
  if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[4] then return {'CHANGED'} end

  -- What had ended when the caller looked has ended, even if the clock was set back since.
  local now = now_ms()
  sweep(math.max(now, tonumber(ARGV[5])))
  local token = tick(KEYS[4])
  local expires = now + ARGV[9]
  redis.call('HSET', KEYS[1], ARGV[6], token .. ' ' .. now .. ' ' .. ARGV[7] .. '\0' .. ARGV[8])
  redis.call('ZADD', KEYS[2], expires, ARGV[6])
  redis.call('SET', KEYS[3], token)
  keep_table()
  redis.call('PUBLISH', ARGV[10], ARGV[11] .. token .. '}}')
  return {'OK', ARGV[6], token, now, expires}
end)
