module.exports = function transform(file) {
  if (file.source.includes('bad')) throw new Error('cannot do this one');
  return file.source.replace('a', 'b');
};
