-- On a lock node: takes a key that is free, or moves the end of one that has this value.
-- args: value, ttl_ms
-- OK. Refusal: HELD.
local redlock_key = KEYS[1]

local held = redis.call('GET', redlock_key)
if held and held ~= args.value then return reply('HELD') end
redis.call('SET', redlock_key, args.value, 'PX', args.ttl_ms)
return reply('OK')
