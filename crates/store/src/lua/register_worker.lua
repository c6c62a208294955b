-- Makes a worker known, in the place of an older incarnation of it.
-- args: fingerprint, keep_ms, worker_id, dead_after_ms, capabilities (one text with spaces between), name, kind, capacity,
--       node, version, session, processes ('' if none are told), max_workers
-- OK: worker_id, epoch, now_ms, due_ms. Refusals: REQUEST_ID_REUSED, TOO_MANY {held}.
local request_key = KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local id, capabilities = args.worker_id, args.capabilities
  local key = worker_key(id)
  local living = redis.call('ZCARD', living_key)
  if living >= args.max_workers and not redis.call('ZSCORE', living_key, id) then return reply('TOO_MANY', {held = living}) end
  for capability in string.gmatch(redis.call('HGET', key, 'capabilities') or '', '%S+') do
    redis.call('ZREM', capability_key(capability), id)
  end

  local epoch, now = tick(clock_key), now_ms()
  local due = now + args.dead_after_ms
  redis.call('DEL', key)
  redis.call('HSET', key, 'epoch', epoch, 'registered', now, 'beat', now, 'due', due, 'running', 0, 'state', IDLE,
    'health', 1, 'detail', '', 'capabilities', capabilities, 'name', args.name, 'kind', args.kind,
    'capacity', args.capacity, 'node', args.node, 'version', args.version, 'session', args.session)
  if args.processes ~= '' then redis.call('HSET', key, 'processes', args.processes) end
  redis.call('ZADD', due_key, due, id)
  redis.call('ZADD', living_key, 0, id)
  redis.call('ZADD', known_key, 0, id)
  redis.call('ZREM', gone_key, id)
  for capability in string.gmatch(capabilities, '%S+') do
    redis.call('ZADD', capability_key(capability), 0, id)
  end
  publish_change('registered', epoch, id, epoch, now)
  return reply('OK', {worker_id = id, epoch = epoch, now_ms = now, due_ms = due})
end)
