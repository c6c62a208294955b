-- Makes a queue known, with what its tasks require, so that workers look into it.
-- ARGV: ..., queue, requirements, queues at most
-- OK: now_us, owed. Refusal: TOO_MANY.
local queues = key('queues')
if redis.call('HEXISTS', queues, ARGV[3]) == 0 then
  if redis.call('HLEN', queues) >= tonumber(ARGV[5]) then return {'TOO_MANY'} end
  redis.call('HSET', queues, ARGV[3], ARGV[4])
  redis.call('PUBLISH', CHANNELS .. 'ready', string.format('{"from":"","at":%.0f,"data":{"queue":"%s"}}', now, ARGV[3]))
end
return answer()
