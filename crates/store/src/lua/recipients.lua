-- The inboxes of a worker, or of the living workers with a capability: a worker's session has one, a worker without a
-- session has its own. A repeated request gets the same inboxes, whatever workers came, left or registered anew since, so
-- that its messages reach the same inboxes.
-- args: fingerprint, keep_ms, slot, worker_id (nil: by capability)
-- OK: inboxes {id, ...}. Refusals: REQUEST_ID_REUSED; NOBODY; GONE: the worker left, and has no session that may come back.
local request_key, capability_key = KEYS[1], KEYS[2]
-- The states of workers that are gone, by their numbers on the wire.
local STOPPED, DEAD = '5', '6'

return once(request_key, args.fingerprint, args.keep_ms, function()
  local workers = args.worker_id and {args.worker_id} or redis.call('ZRANGE', capability_key, 0, -1)
  local inboxes = {}
  for _, id in ipairs(workers) do
    local found = redis.call('HMGET', args.slot .. 'worker:' .. id, 'session', 'state')
    local session, state = found[1], found[2]
    local is_gone = state == STOPPED or state == DEAD
    if session == '' and is_gone then return reply('GONE') end
    if session then inboxes[#inboxes + 1] = session ~= '' and session or id end
  end
  if #inboxes == 0 then return reply('NOBODY') end
  return reply('OK', {inboxes = inboxes})
end)
