-- Puts a message into an inbox, unless it holds too many.
-- KEYS: messages, deadlines, did
-- ARGV: fingerprint, keep_did_ms, most messages, keep_ms, channel, news, message
-- OK. Refusals: REQUEST_ID_REUSED, INBOX_FULL.
return once(KEYS[3], ARGV[1], ARGV[2], function()
  if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[1], GROUP, '0', 'MKSTREAM')
  elseif redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[3]) then
    return {'INBOX_FULL'}
  end
  redis.call('XADD', KEYS[1], '*', 'message', ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
  return {'OK'}
end)
