-- On a lock node: takes a key that is free, or keeps one that has this value.
-- KEYS: redlock
-- ARGV: value, ttl_ms
-- OK. Refusal: HELD.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return {'HELD'} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'OK'}
