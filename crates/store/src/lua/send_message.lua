-- Puts a message into an inbox, unless the inbox is full.
-- args: fingerprint, keep_ms, max_messages, inbox_ttl_ms, channel, envelope, message
-- OK. Refusals: REQUEST_ID_REUSED, INBOX_FULL.
local request_key = KEYS[3]

return once(request_key, args.fingerprint, args.keep_ms, function()
  if redis.call('EXISTS', messages_key) == 0 then
    redis.call('XGROUP', 'CREATE', messages_key, GROUP, '0', 'MKSTREAM')
  elseif redis.call('XLEN', messages_key) >= args.max_messages then
    return reply('INBOX_FULL')
  end
  redis.call('XADD', messages_key, '*', 'message', args.message)
  redis.call('PEXPIRE', messages_key, args.inbox_ttl_ms)
  redis.call('PEXPIRE', deadlines_key, args.inbox_ttl_ms)
  redis.call('PUBLISH', args.channel, args.envelope)
  return reply('OK')
end)
