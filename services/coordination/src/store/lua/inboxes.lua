-- Where messages to the living workers with a capability go: to a worker's session, if it has one.
-- KEYS: the capability's workers
-- ARGV: slot
-- OK: {inbox, ...}
local inboxes = {}
for i, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local session = redis.call('HGET', ARGV[1] .. 'worker:' .. id, 'session')
  inboxes[i] = session and session ~= '' and session or id
end
return {'OK', inboxes}
