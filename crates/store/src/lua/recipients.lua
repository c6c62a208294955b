-- Where a message to a worker, or to the living workers with a capability, goes: to a worker's session, if it has one.
-- A repeated request is told the same, whoever came, left or registered anew meanwhile, so that what it goes on with
-- reaches the same inboxes.
-- KEYS: did, the capability's workers (not read if a worker is named)
-- ARGV: fingerprint, keep_did_ms, slot, worker or ''
-- OK: {inbox, ...}. Refusals: REQUEST_ID_REUSED, NOBODY.
return once(KEYS[1], ARGV[1], ARGV[2], function()
  local workers = ARGV[4] ~= '' and {ARGV[4]} or redis.call('ZRANGE', KEYS[2], 0, -1)
  local inboxes = {}
  for _, id in ipairs(workers) do
    local session = redis.call('HGET', ARGV[3] .. 'worker:' .. id, 'session')
    if session then inboxes[#inboxes + 1] = session ~= '' and session or id end
  end
  if #inboxes == 0 then return {'NOBODY'} end
  return {'OK', inboxes}
end)
