-- Makes a queue known, with what its tasks require, so that workers look into it.
-- args: queue, requirements (packed), max_queues
-- Refusal: TOO_MANY.
local queues = key('queues')
if redis.call('HEXISTS', queues, args.queue) == 0 then
  if redis.call('HLEN', queues) >= args.max_queues then return {'TOO_MANY'} end
  redis.call('HSET', queues, args.queue, args.requirements)
  redis.call('PUBLISH', args.channels .. 'ready',
    string.format('{"from":"","at":%.0f,"data":{"queue":"%s"}}', now, args.queue))
end
return answer({})
