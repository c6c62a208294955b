-- Adds a lease, if no other was added to the table that the caller has in sight, and the fence holds. Leases that went since then make
-- no difference to the caller's decision.
-- args: fingerprint, keep_ms, fence_token, newest and read_ms (of the table that was decided on), lease_id, holder, lease,
--       ttl_ms, channel, envelope (up to the token)
-- OK: lease_id, token, since_ms, expires_ms, living (leases). Refusals: REQUEST_ID_REUSED, STALE_FENCE,
-- CHANGED (the fields of `table_since`).
local clock_key, lock_key, request_key = KEYS[5], KEYS[6], KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local refused = fenced_out(lock_key, args.fence_token)
  if refused then return refused end
  local newest = redis.call('GET', newest_key) or '0'
  if newest ~= args.newest then return reply('CHANGED', table_since(args.newest)) end

  -- A lease that had ended when the table was read has ended, even if the clock was set back since.
  local now = now_ms()
  sweep(math.max(now, args.read_ms))
  local token = tick(clock_key)
  local expires = now + args.ttl_ms
  redis.call('HSET', files_key, args.lease_id, token .. ' ' .. now .. ' ' .. args.holder .. '\0' .. args.lease)
  redis.call('ZADD', deadlines_key, expires, args.lease_id)
  redis.call('SET', newest_key, token)
  note_grant(newest, token, args.lease_id)
  keep_table()
  redis.call('PUBLISH', args.channel, args.envelope .. token .. '}}')
  return reply('OK', {lease_id = args.lease_id, token = token, since_ms = now, expires_ms = expires,
    living = redis.call('ZCARD', deadlines_key)})
end)
