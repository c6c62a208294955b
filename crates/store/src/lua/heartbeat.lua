-- Records a beat of a worker. It writes over what is stored, so a full Redis kills no worker; only a change that watchers
-- want to know is published.
-- args: worker_id, epoch, running, state (nil: judged by running), health, detail, unfit_until ('' for no time),
--       dead_after_ms, stall_ms; state, health and unfit_until are texts, as they are stored
-- OK: due_ms. Refusals: NOT_FOUND, STALE {epoch, state}.
local silence_key = KEYS[7]

local id, running = args.worker_id, args.running
local key = worker_key(id)
local was = redis.call('HMGET', key, 'epoch', 'state', 'health', 'detail', 'capacity', 'unfit_until')
local refused = outlived(was[1], was[2], args.epoch)
if refused then return refused end
local state = args.state or (running < tonumber(was[5]) and IDLE or BUSY)

local now = now_ms()
local due = now + args.dead_after_ms
end_silence(silence_key, now, args.dead_after_ms, args.stall_ms)
redis.call('ZADD', due_key, due, id)
if was[2] == state and was[3] == args.health and was[4] == args.detail and (was[6] or '') == args.unfit_until then
  redis.call('HSET', key, 'running', running, 'beat', now, 'due', due)
else
  redis.call('HSET', key, 'running', running, 'beat', now, 'due', due, 'state', state, 'health', args.health,
    'detail', args.detail, 'unfit_until', args.unfit_until)
  publish_change('changed', tick(clock_key), id, was[1], now)
end
return reply('OK', {due_ms = due})
