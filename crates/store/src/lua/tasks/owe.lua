-- Notes messages to submitters whose inboxes are full: they are sent when there is room.
-- args: entries (messages as `why id`), retry_ms
for _, what in ipairs(args.entries) do
  redis.call('ZREM', key('outbox'), what)
  redis.call('ZADD', key('owed'), now + args.retry_ms, what)
end
return answer({})
