"""The reference of house-prices.ts: scikit-learn's linear regression on the same split. Debian: python3-sklearn."""
import csv
import pathlib
import numpy
import sklearn.datasets
from sklearn.linear_model import LinearRegression

path = pathlib.Path(sklearn.datasets.__file__).parent / "data" / "boston_house_prices.csv"
rows = list(csv.reader(path.open()))[2:]
data = numpy.array(rows, dtype=float)
isTest = numpy.arange(len(data)) % 5 == 0
x, y = data[:, :-1], data[:, -1]
model = LinearRegression().fit(x[~isTest], y[~isTest])
for name, chosen in (("train", ~isTest), ("test", isTest)):
    print(f"{name} error: {numpy.sqrt(numpy.mean((model.predict(x[chosen]) - y[chosen]) ** 2)):.4f}")
