-- Puts a message into an inbox, unless its sender or its caller has as many unread messages there as it may, or the inbox is
-- full. Some room is left to SHIM's own messages.
-- args: fingerprint, keep_ms, is_own (SHIM itself sends it), sender, caller, max_messages, max_foreign (of all others),
--       max_foreign_bytes, max_of_sender, max_of_caller, inbox_ttl_ms, channel, envelope, message
-- OK. Refusals: REQUEST_ID_REUSED, INBOX_FULL {held, max, bound ('sender', 'caller', 'bytes' or 'all')}.
local request_key = KEYS[4]

local function full(held, max, bound) return reply('INBOX_FULL', {held = held, max = max, bound = bound}) end

-- Nil if there is room; else the refusal.
local function refused()
  local held = redis.call('XLEN', messages_key)
  if args.is_own then return held >= args.max_messages and full(held, args.max_messages, 'all') or nil end
  local foreign = held - counted(OWN)
  if foreign >= args.max_foreign then return full(foreign, args.max_foreign, 'all') end
  local bytes = counted('bytes')
  if bytes + #args.message > args.max_foreign_bytes then return full(bytes, args.max_foreign_bytes, 'bytes') end
  local of_sender = counted(of_sender(args.sender))
  if of_sender >= args.max_of_sender then return full(of_sender, args.max_of_sender, 'sender') end
  local of_caller = counted(of_caller(args.caller))
  if of_caller >= args.max_of_caller then return full(of_caller, args.max_of_caller, 'caller') end
  return nil
end

return once(request_key, args.fingerprint, args.keep_ms, function()
  local refusal = refused()
  if refusal then return refusal end
  if redis.call('EXISTS', messages_key) == 0 then
    redis.call('XGROUP', 'CREATE', messages_key, GROUP, '0', 'MKSTREAM')
  end
  local entry = {'message', args.message, 'from', args.sender, 'by', args.caller}
  if args.is_own then entry = {'message', args.message, 'own', '1'} end
  redis.call('XADD', messages_key, '*', unpack(entry))
  count_entry(entry, 1)
  for _, key in ipairs({messages_key, deadlines_key, senders_key}) do redis.call('PEXPIRE', key, args.inbox_ttl_ms) end
  redis.call('PUBLISH', args.channel, args.envelope)
  return reply('OK')
end)
