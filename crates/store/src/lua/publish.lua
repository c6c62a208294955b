-- Tells everyone who listens to a channel now.
-- KEYS: did
-- ARGV: fingerprint, keep_did_ms, channel, news
-- OK. Refusal: REQUEST_ID_REUSED.
return once(KEYS[1], ARGV[1], ARGV[2], function()
  redis.call('PUBLISH', ARGV[3], ARGV[4])
  return {'OK'}
end)
