-- Acknowledges messages: they are never given out again.
-- args: ids
-- OK: acknowledged (how many were there).
return reply('OK', {acknowledged = acknowledge(args.ids)})
