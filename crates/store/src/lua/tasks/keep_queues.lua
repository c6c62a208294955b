-- Keeps places for the queues of configured executors.
-- args: queues, keep_ms
redis.call('ZREMRANGEBYSCORE', key('queues-kept'), '-inf', now)
for _, queue in ipairs(args.queues) do redis.call('ZADD', key('queues-kept'), now + args.keep_ms, queue) end
return answer({})
