-- Notes that a place is used now, and takes those off the list that ended by themselves.
-- args: slot, kind, name, caller, ttl_ms
local used, owners, counts = args.slot .. args.kind, args.slot .. args.kind .. '-owner', args.slot .. args.kind .. '-of'
local now = now_ms()

local function take_off(name)
  redis.call('ZREM', used, name)
  local owner = redis.call('HGET', owners, name)
  if owner and redis.call('HINCRBY', counts, owner, -1) <= 0 then redis.call('HDEL', counts, owner) end
  redis.call('HDEL', owners, name)
end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', used, '-inf', now - args.ttl_ms, 'LIMIT', 0, 10)) do take_off(name) end
if redis.call('ZADD', used, now, args.name) == 1 and args.caller ~= '' then
  redis.call('HSET', owners, args.name, args.caller)
  redis.call('HINCRBY', counts, args.caller, 1)
end
for _, key in ipairs({used, owners, counts}) do linger(key) end
return reply('OK')
