-- A worker's processes are gone: it is dead at once, however lately it was heard.
-- args: worker_id, epoch, processes (as the record has them: a worker that registered anew has others), detail, keep_gone_ms
-- OK. Refusal: OTHER (the worker went already, or this incarnation of it did).
local id = args.worker_id
local key = worker_key(id)
local was = redis.call('HMGET', key, 'epoch', 'state', 'processes', 'capabilities')
if outlived(was[1], was[2], args.epoch) or was[3] ~= args.processes then return reply('OTHER') end

local now = now_ms()
redis.call('HSET', key, 'detail', args.detail)
bury(id, DEAD, was[4] or '', now, args.keep_gone_ms)
publish_change('dead', tick(clock_key), id, was[1], now)
return reply('OK')
