-- Takes a place off the list that holds nothing.
-- args: slot, kind, name
local used, owners, counts = args.slot .. args.kind, args.slot .. args.kind .. '-owner', args.slot .. args.kind .. '-of'
redis.call('ZREM', used, args.name)
local owner = redis.call('HGET', owners, args.name)
if owner and redis.call('HINCRBY', counts, owner, -1) <= 0 then redis.call('HDEL', counts, owner) end
redis.call('HDEL', owners, args.name)
return reply('OK')
