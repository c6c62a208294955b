-- Whether a place is known, or there is room for one more.
-- args: slot, kind, name, caller, max, max_of_caller, ttl_ms, looked_at
-- OK. Refusal: TOO_MANY {held, max, caller ('' if the bound is that of all), oldest (those that count, unused for longest)}.
local used, owners = args.slot .. args.kind, args.slot .. args.kind .. '-owner'
if redis.call('ZSCORE', used, args.name) then return reply('OK') end

local function refuse(held, max, caller)
  local oldest = {}
  for _, name in ipairs(redis.call('ZRANGE', used, 0, 20 * args.looked_at)) do
    if #oldest >= args.looked_at then break end
    if caller == '' or redis.call('HGET', owners, name) == caller then oldest[#oldest + 1] = name end
  end
  return reply('TOO_MANY', {held = held, max = max, caller = caller, oldest = oldest})
end

-- What ended by itself is taken off the list by the next note.
local held = redis.call('ZCOUNT', used, now_ms() - args.ttl_ms, '+inf')
if held >= args.max then return refuse(held, args.max, '') end
local own = tonumber(redis.call('HGET', args.slot .. args.kind .. '-of', args.caller) or 0)
if args.caller ~= '' and own >= args.max_of_caller then return refuse(own, args.max_of_caller, args.caller) end
return reply('OK')
