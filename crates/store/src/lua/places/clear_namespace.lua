-- Removes the bookkeeping of a namespace without state, locks and leases. Its clock goes with it: the next one is later, since
-- it follows the time.
-- args: slot
-- OK: is_empty (whether it held nothing).
local now = now_ms()
for _, ends in ipairs({'state-deadlines', 'lock-deadlines', 'files-deadlines'}) do
  if redis.call('ZCOUNT', args.slot .. ends, now, '+inf') > 0 then return reply('OK', {is_empty = false}) end
end
for _, name in ipairs({'state-names', 'state-deadlines', 'state-changes', 'state-sizes', 'lock-names', 'lock-deadlines',
  'files', 'files-deadlines', 'files-newest', 'files-grants', 'clock'}) do
  redis.call('DEL', args.slot .. name)
end
return reply('OK', {is_empty = true})
