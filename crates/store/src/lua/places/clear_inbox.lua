-- Removes the bookkeeping of an inbox without messages.
-- args: slot
-- OK: is_empty (whether it held nothing).
if redis.call('XLEN', args.slot .. 'messages') > 0 then return reply('OK', {is_empty = false}) end
redis.call('DEL', args.slot .. 'messages', args.slot .. 'deadlines', args.slot .. 'senders')
return reply('OK', {is_empty = true})
