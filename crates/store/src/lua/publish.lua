-- Publishes to every present subscriber of a channel.
-- args: fingerprint, keep_ms, channel, envelope
-- OK. Refusal: REQUEST_ID_REUSED.
local request_key = KEYS[1]

return once(request_key, args.fingerprint, args.keep_ms, function()
  redis.call('PUBLISH', args.channel, args.envelope)
  return reply('OK')
end)
