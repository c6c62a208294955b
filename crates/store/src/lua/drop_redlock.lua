-- On a lock node: gives a key back, if it has this value.
-- args: value
-- OK.
local redlock_key = KEYS[1]

if redis.call('GET', redlock_key) == args.value then redis.call('DEL', redlock_key) end
return reply('OK')
